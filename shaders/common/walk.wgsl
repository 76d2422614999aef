// How a workgroup walks over its part of `count` items: `share` of them, which lie together, so that its turns stay within few pages of memory.
// Neighboring threads take neighboring items, and the next ones a workgroup's width further on. Plans make it by `walkOver`
// (src/engine/ops/elementwise.ts).

override THREADS: u32 = 64u;

struct Span { begin: u32, end: u32 }

fn spanOf(workgroup: u32, share: u32, count: u32) -> Span {
  let begin = workgroup * share;
  return Span(begin, min(begin + share, count));
}
