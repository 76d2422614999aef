// The element type of a kernel's result where it can differ from that of its inputs (common/storage.wgsl): float32 here; resultF16.wgsl
// stands in where a dispatch says `result: 'f16'`. Weight gradients of float16 activations, for one, are float32.

alias Result = f32;
alias Result4 = vec4<f32>;
