  // A piece of a function: the block that follows runs for each item of a thread whose row `lanes` threads share. At width 1 each
  // element has its own thread (lanes = channels), because even a loop that runs once would cost a fifth on SwiftShader; at width 4
  // eachItem4.wgsl replaces this file.
  let channel = thread % u.lanes;
