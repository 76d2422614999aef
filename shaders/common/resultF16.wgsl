// result.wgsl in float16.

alias Result = f16;
alias Result4 = vec4<f16>;
