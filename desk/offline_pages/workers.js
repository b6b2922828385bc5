/**
 * Workers, so that an offline page stays responsive.
 *
 * All of such a page is one script. It runs in the page and again in its workers, which alone see the key at work.
 */

/** Somebody pressed Stop. */
class Stopped extends Error {}

/** An error that the person can correct. `field`: the id of the field that is wrong. */
class UserError extends Error {
  constructor(message, field = null) {
    super(message);
    this.field = field;
  }
}

const UNREADABLE = "the file cannot be read";
/** Read the next part of a file; browsers differ in the error for a file that is gone. */
const readFrom = (reader) => reader.read().catch(() => { throw new Error(UNREADABLE); });

/** Workers that share the work. Every pending task fails once one of them breaks or all are stopped. */
class WorkerPool {
  constructor(size) {
    this.size = size;
    this.turn = 0;
    const script = new Blob([document.querySelector("script").textContent], { type: "text/javascript" });
    this.address = URL.createObjectURL(script);
    this.failed = new Promise((_, reject) => { this.fail = reject; });
    this.failed.catch(() => {});
    this.workers = Array.from({ length: size }, () => new Worker(this.address));
    for (const worker of this.workers) {
      worker.onerror = () => this.fail(new UserError("This browser cannot do it. Update it, or take another."));
    }
  }

  /** Ask the next worker in turn. */
  ask(task, argument) {
    return this.askOf(this.workers[this.turn++ % this.size], task, argument);
  }

  askAll(task, argument) {
    return Promise.all(this.workers.map((worker) => this.askOf(worker, task, argument)));
  }

  askOf(worker, task, argument) {
    const { port1, port2 } = new MessageChannel();
    const answered = new Promise((resolve, reject) => {
      port1.onmessage = ({ data: { result, error } }) => (error ? reject(new Error(error)) : resolve(result));
    });
    worker.postMessage({ task, argument }, [port2]);
    const first = Promise.race([answered, this.failed]);
    first.catch(() => {}); // reported to the caller that awaits it
    return first;
  }

  stop() {
    for (const worker of this.workers) worker.terminate();
    URL.revokeObjectURL(this.address);
    this.fail(new Stopped());
  }
}

/** Do, in a worker, the tasks that the page asks for by name. */
const work = (tasks) => {
  globalThis.onmessage = async ({ data: { task, argument }, ports: [answer] }) => {
    try {
      answer.postMessage({ result: await tasks[task](argument) });
    } catch (error) {
      answer.postMessage({ error: error.message });
    }
  };
};
