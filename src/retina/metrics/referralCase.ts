/** What operating points and bands are fitted to. */

/** Why no score decides on a picture: it cannot be graded, or is unlike the training pictures. */
export type Doubt = 'ungradable' | 'unlike';

/** A picture with both answers to "is this eye to be referred?". */
export interface ReferralCase {
  readonly id: string;
  /** The truth. */
  readonly isReferable: boolean;
  /** Of `referralScore`. */
  readonly score: number;
  /** Absent where the score decides. */
  readonly doubt?: Doubt | null;
}
