// erf to 1.5e-7 absolute (float32 rounding included): least-squares Chebyshev fits of erf(x)/x in x^2 on [0, 1] and of
// log(erfc(x)) on [1, 4]; made and measured for this file in double precision. Beyond 4, erf is 1 in float32.
fn erf(value: vec4f) -> vec4f {
  let x = min(abs(value), vec4f(4.0));
  let s = x * x;
  let small = x * (1.1283791065216064 + s * (-0.3761262595653534 + s * (0.11283597350120544 + s * (-0.02685432881116867
    + s * (0.005189312156289816 + s * (-0.0008018855005502701 + s * 7.882497448008507e-05))))));
  let exponent = -0.0007569686276838183 + x * (-1.125925898551941 + x * (-0.6390933394432068 + x * (-0.10331898182630539
    + x * (0.022621985524892807 + x * (-0.0034368676133453846 + x * (0.0003175720339640975 + x * -1.330939085164573e-05))))));
  let large = 1.0 - exp(exponent);
  return sign(value) * select(large, small, x <= vec4f(1.0));
}
