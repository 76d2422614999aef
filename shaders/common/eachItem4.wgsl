  // eachItem.wgsl for width 4.
  for (var channel = thread % u.lanes; channel < u.channels; channel += u.lanes)
