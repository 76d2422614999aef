// What the kernels share in which a subgroup of LANES lanes walks whole rows. A workgroup is SUBGROUPS subgroups, each of LANES consecutive
// threads: a GPU is asked at opening (probe/lanes.wgsl). A multiprocessor holds fewer workgroups than subgroups, so that workgroups of one subgroup
// would leave it half empty. All subgroups of a workgroup turn loops that hold subgroup operations or barriers equally often, those past
// the last row too, without storing: control flow is uniform there, as these need, and browsers can see it.

// #constant LANES
// #constant SUBGROUPS

const THREADS = SUBGROUPS * LANES;

// The number of a thread's subgroup in its workgroup. The broadcast tells compilers that all lanes have the same one.
fn subgroupOf(thread: u32) -> u32 {
  if (SUBGROUPS == 1u) { return 0u; }
  return subgroupBroadcastFirst(thread / LANES);
}
