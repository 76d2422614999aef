// subgroup.wgsl where a kernel can ask for the size of its subgroups: AMD's GPUs have 32 or 64 lanes, Intel's 8 to 32.
@compute @workgroup_size(THREADS) @subgroup_size(LANES)
