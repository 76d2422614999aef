// Opens the entry point of a kernel whose workgroups of THREADS threads are subgroups of LANES lanes; subgroupSized.wgsl stands in on devices
// where a kernel can ask for that size (the feature subgroup-size-control). On others LANES is the size that the device always has; that a
// workgroup is whole subgroups is tried at opening (probe/lanes.wgsl).
@compute @workgroup_size(THREADS)
