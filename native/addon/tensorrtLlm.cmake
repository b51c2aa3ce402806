# The addon over an installed TensorRT-LLM: what `trtllm-node runtime build` compiles on the user's machine. Class layouts
# differ between releases, so headers, library and addon have one version.
foreach(name INCLUDE LIBRARY VERSION)
  if(NOT TRTLLM_NODE_TENSORRT_LLM_${name})
    message(FATAL_ERROR "TRTLLM_NODE_TENSORRT_LLM_${name} is not set")
  endif()
endforeach()
string(REGEX MATCH "^([0-9]+)\\.([0-9]+)\\.([0-9]+)" version "${TRTLLM_NODE_TENSORRT_LLM_VERSION}")
math(EXPR version "${CMAKE_MATCH_1} * 10000 + ${CMAKE_MATCH_2} * 100 + ${CMAKE_MATCH_3}")

target_sources(trtllm_node PRIVATE native/addon/runtimeExtensionTensorrtLlm.cpp native/addon/signalHandlers.cpp)
target_include_directories(trtllm_node SYSTEM PRIVATE
  ${TRTLLM_NODE_TENSORRT_LLM_INCLUDE} ${TRTLLM_NODE_TENSORRT_LLM_CUDA_INCLUDE})
if(EXISTS ${TRTLLM_NODE_TENSORRT_LLM_CUDA_INCLUDE}/cccl) # of CUDA 13, where nvcc looks by itself
  target_include_directories(trtllm_node SYSTEM PRIVATE ${TRTLLM_NODE_TENSORRT_LLM_CUDA_INCLUDE}/cccl)
endif()
target_compile_definitions(trtllm_node PRIVATE
  TRTLLM_NODE_API_VERSION=${version} _GLIBCXX_USE_CXX11_ABI=${TRTLLM_NODE_TENSORRT_LLM_CXX11_ABI})
add_library(tensorrt_llm SHARED IMPORTED)
set_target_properties(tensorrt_llm PROPERTIES IMPORTED_LOCATION ${TRTLLM_NODE_TENSORRT_LLM_LIBRARY})
target_link_libraries(trtllm_node PRIVATE tensorrt_llm Threads::Threads)
# A symbol that the library lacks shall fail the loading (now), not the first call. What the library itself needs is
# found when it is loaded, by the preloader.
target_link_options(trtllm_node PRIVATE LINKER:-z,now LINKER:--allow-shlib-undefined)
set_target_properties(trtllm_node PROPERTIES
  OUTPUT_NAME trtllm_node_tensorrt_llm
  SKIP_BUILD_RPATH ON
  LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/addon)
