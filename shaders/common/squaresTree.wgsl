// The body of optimizer/squaresTree.wgsl and squaresTree14.wgsl, which have bindings for TENSORS tensors: see there.

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  var block = linearWorkgroup(workgroup, workgroups);
  if (block >= u.workgroups) { return; }
  var tensor = 0u;
  var place = placeOf(0u);
  while (tensor < TENSORS - 1u && block * COLUMNS >= place.count) {
    block -= (place.count + COLUMNS - 1u) / COLUMNS;
    tensor++;
    place = placeOf(tensor);
  }
  let slot = block * COLUMNS + lane % COLUMNS;
  var squares = vec4f(0.0);
  var bad = vec4u(0u);
  if (slot < place.count) {
    for (var i = slot + lane / COLUMNS * place.count; i * 4u < place.size; i += (256u / COLUMNS) * place.count) {
      // Lanes past the end of the tensor hold anything.
      let inside = vec4u(i * 4u) + vec4u(0u, 1u, 2u, 3u) < vec4u(place.size);
      let words = select(vec4u(0u), wordsAt(tensor, i), inside);
      let nonFinite = (words & vec4u(0x7f800000u)) == vec4u(0x7f800000u);
      let value = place.weight * bitcast<vec4f>(select(words, vec4u(0u), nonFinite));
      squares += value * value;
      bad += select(vec4u(0u), vec4u(1u), nonFinite);
    }
  }
  let sum = columnTotal(lane, squares.x + squares.y + squares.z + squares.w);
  let count = columnTotal(lane, f32(bad.x + bad.y + bad.z + bad.w));
  if (lane >= COLUMNS || slot >= place.count) { return; }
  slots[place.first + slot] = vec2f(sum, count);
}
