/** Lets steps begin one after another where the next one has to wait for the one before. */

/** What beginning a step gives: its report, and what the next step has to wait for; null: nothing. */
interface Begun<T> {
  readonly report: Promise<T>;
  readonly ready: Promise<unknown> | null;
}

export class StepOrder {
  /** Settles when the next step may begin; null: at once. */
  #busy: Promise<void> | null = null;

  /** Begins a step as soon as it may, at once where nothing holds it, and gives its report. */
  begin<T>(start: () => Begun<T>): Promise<T> {
    if (!this.#busy) {
      const { report, ready } = start();
      if (ready) this.#hold(ready);
      return report;
    }
    const begun = this.#busy.then(start);
    this.#hold(begun.then(({ ready }) => ready));
    return begun.then(({ report }) => report);
  }

  /** Lets later steps wait for `work`, whether it fails or not. */
  #hold(work: Promise<unknown>): void {
    const busy: Promise<void> = work.then(
      () => undefined,
      () => undefined,
    );
    this.#busy = busy;
    void busy.then(() => {
      if (this.#busy === busy) this.#busy = null;
    });
  }
}
