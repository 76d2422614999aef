// A grid of more than 65,535 workgroups is folded into two dimensions by foldGrid() (src/engine/gpu/kernel.ts);
// this is its inverse. The kernel itself must skip threads past the end.

fn linearWorkgroup(workgroup: vec3u, workgroups: vec3u) -> u32 {
  return workgroup.x + workgroup.y * workgroups.x;
}

// What a workgroup takes of `count` items: `share` of them, which lie together, so that its turns stay within few pages of memory. Neighboring
// threads take neighboring items, and the next ones a workgroup's width further on.
struct Span { begin: u32, end: u32 }

fn spanOf(workgroup: u32, share: u32, count: u32) -> Span {
  let begin = workgroup * share;
  return Span(begin, min(begin + share, count));
}
