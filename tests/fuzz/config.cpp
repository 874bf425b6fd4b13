/// Options in TOML.
#include "cli/config_file.hpp"
#include "fuzz/target.hpp"

namespace natgrad::fuzz {

void parse_config_file(Input input) {
  const auto as_text = [](const std::string& path) {
    cli::Options options;
    cli::read_config(path, options);
    return cli::config_text(options);
  };
  const std::string text = as_text(as_file(input));
  const std::span<const char> characters = text;
  require(as_text(as_file(bytes_of(characters))) == text,
          "a configuration is read otherwise than written:\n" + text);
}

}  // namespace natgrad::fuzz
