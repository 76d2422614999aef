// What a step of up to three parameters reads and changes; `Uniforms` stands in the kernel's own file.

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read_write> state: array<vec4f>;
@group(0) @binding(2) var<storage, read> guard: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> parameter0: array<vec4f>;
@group(0) @binding(4) var<storage, read> grad0: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> parameter1: array<vec4f>;
@group(0) @binding(6) var<storage, read> grad1: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> parameter2: array<vec4f>;
@group(0) @binding(8) var<storage, read> grad2: array<vec4f>;
