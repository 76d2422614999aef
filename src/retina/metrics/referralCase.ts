/** What operating points and bands are fitted to. */

/** A picture with both answers to "is this eye to be referred?". */
export interface ReferralCase {
  readonly id: string;
  /** The truth. */
  readonly isReferable: boolean;
  /** Of `referralScore`. */
  readonly score: number;
}
