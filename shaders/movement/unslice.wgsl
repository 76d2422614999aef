// out[i] = the element of the box x that lies at i, else the constant: the opposite of a slice, and padding (see common/box.wgsl).
//
// One pass over the result: every element is written once. `lanes` threads share a row and walk its elements, so the index is taken apart
// once per row, elements one by one or in fours (common/width.wgsl), where the rows of both sides are whole groups: `inner`, `start` and `count`
// count items. Values are moved as bit patterns.

// #include "common/grid.wgsl"
// #include "common/width.wgsl"
// #include "common/box.wgsl"

@group(0) @binding(1) var<storage, read> x: array<BitsItem>;
@group(0) @binding(2) var<storage, read_write> out: array<BitsItem>;

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
    var value = bitsItem(u.fill);
    if (source != NONE && at != NONE) { value = x[source * u.count + at]; }
    out[row * u.inner + column] = value;
  }
}
