// out[thread] = 1 if the workgroup is one subgroup, all of whose LANES lanes run: what the kernels over common/subgroup.wgsl rest on, and WGSL
// does not promise. Run once where a device is opened.

enable subgroups;

// #constant LANES

const THREADS = LANES;

@group(0) @binding(1) var<storage, read_write> out: array<u32>;

// #include "common/subgroup.wgsl"
fn main(
  @builtin(local_invocation_index) thread: u32,
  @builtin(subgroup_size) size: u32,
) {
  // A subgroup never spans workgroups: one that holds LANES lanes holds the whole workgroup.
  let lanes = subgroupAdd(1u);
  out[thread] = u32(size == LANES && lanes == LANES);
}
