// unslice.wgsl in groups of four elements, where the rows of both sides are whole groups: `inner`, `start` and `count` count groups.

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"
// #include "common/box.wgsl"

@group(0) @binding(1) var<storage, read> x: array<Bits4>;
@group(0) @binding(2) var<storage, read_write> out: array<Bits4>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let thread = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (thread >= u.rows * u.lanes) { return; }
  let row = thread / u.lanes;
  let source = boxRow(row);
  for (var column = thread % u.lanes; column < u.inner; column += u.lanes) {
    let at = along(column, u.start, u.count, u.step);
    var value = Bits4(u.fill);
    if (source != NONE && at != NONE) { value = x[source * u.count + at]; }
    out[row * u.inner + column] = value;
  }
}
