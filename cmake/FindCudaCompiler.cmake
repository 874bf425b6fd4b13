# Looks for nvcc where users have it (CUDACXX, PATH, the usual prefix) and enables the CUDA language with it.
# Result: NATGRAD_CUDA_COMPILER, or a false value. No GPU is needed.
if(DEFINED ENV{CUDACXX} AND NOT CMAKE_CUDA_COMPILER)
  set(CMAKE_CUDA_COMPILER $ENV{CUDACXX})
endif()
find_program(NATGRAD_CUDA_COMPILER NAMES ${CMAKE_CUDA_COMPILER} nvcc PATHS /usr/local/cuda/bin /opt/cuda/bin)
mark_as_advanced(NATGRAD_CUDA_COMPILER)

# The GPU that is present, else Hopper and PTX that every newer or older one back to sm_75 can translate.
function(natgrad_default_cuda_architectures result)
  find_program(smi nvidia-smi NO_CACHE)
  if(smi)
    execute_process(COMMAND ${smi} --query-gpu=compute_cap --format=csv,noheader
                    OUTPUT_VARIABLE present ERROR_QUIET RESULT_VARIABLE status)
    if(status EQUAL 0 AND present MATCHES "^([0-9]+)\\.([0-9]+)")
      set(${result} "${CMAKE_MATCH_1}${CMAKE_MATCH_2}-real" PARENT_SCOPE)
      return()
    endif()
  endif()
  set(${result} "90-real;75-virtual" PARENT_SCOPE)
endfunction()
