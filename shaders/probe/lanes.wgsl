// out[thread] = 1 if the workgroup is SUBGROUPS subgroups of LANES consecutive threads, all of whose lanes run: what the kernels over
// common/lanes.wgsl and common/subgroup.wgsl rest on, and WGSL does not promise. Run where a device is opened.

enable subgroups;

// #include "common/lanes.wgsl"

@group(0) @binding(1) var<storage, read_write> out: array<u32>;

// #include "common/subgroup.wgsl"
fn main(
  @builtin(local_invocation_index) thread: u32,
  @builtin(subgroup_size) size: u32,
) {
  let lanes = subgroupAdd(1u);
  let first = subgroupMin(thread / LANES);
  let last = subgroupMax(thread / LANES);
  out[thread] = u32(size == LANES && lanes == LANES && first == last);
}
