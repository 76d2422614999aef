// A grid of more than 65,535 workgroups is folded into two dimensions by foldGrid() (src/engine/gpu/kernel.ts);
// this is its inverse. The kernel itself must skip threads past the end.

fn linearWorkgroup(workgroup: vec3u, workgroups: vec3u) -> u32 {
  return workgroup.x + workgroup.y * workgroups.x;
}
