// What depthwise convolutions that gather are bound to, and how they store. The kernel declares Uniforms, with hasAddend.

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> source: array<Vec4>;
@group(0) @binding(2) var<storage, read> weight: array<Vec4>;
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;
@group(0) @binding(4) var<storage, read> addend: array<Vec4>;
@group(0) @binding(5) var<storage, read_write> out: array<Vec4>;

fn store(at: u32, value: vec4f) {
  var result = value;
  if (u.hasAddend != 0u) { result += vec4f(addend[at]); }
  out[at] = Vec4(result);
}
