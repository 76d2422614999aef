// A grid of more than 65,535 workgroups is folded into two dimensions by foldGrid() (src/engine/gpu/kernel.ts);
// this is its inverse. Threads past the end must be turned away by the kernel's own bound.

fn linearWorkgroup(workgroup: vec3u, workgroups: vec3u) -> u32 {
  return workgroup.x + workgroup.y * workgroups.x;
}
