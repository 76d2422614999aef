  // eachItem.wgsl for fours.
  for (var channel = thread % u.lanes; channel < u.channels; channel += u.lanes)
