/// Tensors of any runtime as float32 in host memory, through the public API alone: they may lie on a GPU and have the
/// element type of an engine.
#pragma once

#include <tensorrt_llm/executor/executor.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace trtllm_node {

/// Whether the CPU may read and write the elements where they are.
[[nodiscard]] bool isOnHost(tensorrt_llm::executor::Tensor const& tensor);

/// Extent `index`, or 1 where the tensor has fewer.
[[nodiscard]] std::size_t extent(tensorrt_llm::executor::Tensor const& tensor, std::size_t index);

/// The tensor itself if it is float32 on the host already, else a copy.
/// @throws std::runtime_error that names `what` if the element type is not one of float32, float16, bfloat16.
[[nodiscard]] tensorrt_llm::executor::Tensor toHostFloats(
    tensorrt_llm::executor::Tensor const& tensor, std::string const& what);

/// REQUIRES: float32 on the host.
[[nodiscard]] std::span<float> floatsOf(tensorrt_llm::executor::Tensor& tensor);
[[nodiscard]] std::span<float const> floatsOf(tensorrt_llm::executor::Tensor const& tensor);

} // namespace trtllm_node
