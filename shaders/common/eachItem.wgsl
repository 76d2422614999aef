  // A piece of a function: the block that follows is run for each item of a thread whose row is shared by `lanes` threads. Of single
  // elements each has a thread (lanes = channels), and even a loop that turns once would cost a fifth on SwiftShader; eachItem4.wgsl
  // stands in for fours.
  let channel = thread % u.lanes;
