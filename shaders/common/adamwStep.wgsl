// The arithmetic of AdamW on a group of four elements: see optimizer/adamw.wgsl.

// Of a parameter, what all its elements share.
struct Slot { gradScale: f32, keep: f32, rate: f32, rootScale: f32 }

fn slotOf(head: u32, lrScale: f32, weightDecay: f32) -> Slot {
  let hyper = state[head];
  let lr = hyper.x * lrScale;
  return Slot(guard[0].x, 1.0 - lr * weightDecay, lr * hyper.y, hyper.z);
}

struct Step { parameter: vec4f, m: vec4f, v: vec4f }

fn stepOf(slot: Slot, old: Step, grad: vec4f, mine: vec4<bool>) -> Step {
  let g = slot.gradScale * grad;
  let m = u.beta1 * old.m + u.rest1 * g;
  let v = u.beta2 * old.v + u.rest2 * g * g;
  let parameter = slot.keep * old.parameter - slot.rate * m / (sqrt(v) * slot.rootScale + u.eps);
  return Step(select(old.parameter, parameter, mine), select(old.m, m, mine), select(old.v, v, mine));
}
