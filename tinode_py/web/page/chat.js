// One conversation as this page knows it: pure state, no packets are sent from here.
//
// Messages are held by their number. What was loaded is one piece without a gap, from `low` to
// `known`; older messages are asked for by pages, newer ones come by themselves while we are
// attached. Each message stands there once, however often it comes.

const TYPING = 5_000; // ms that a {note kp} is good for

export class Chat {
  public = null;
  acs = {};
  seq = 0; // the highest number there is
  read = 0;
  recv = 0;
  clear = 0; // the highest deletion we know of
  touched = null;
  online = false;
  seen = null;
  subcnt = 0;
  listed = false; // whether it is one of our contacts
  members = new Map(); // user → row
  messages = new Map(); // seq → {data}
  pending = []; // ours, not acknowledged yet
  low = 0; // lowest number loaded; 0: nothing was
  known = 0; // up to here nothing is missing
  current = false; // attached, and nothing is missing: what comes is the next
  attached = false;
  attaching = null;
  loading = false;
  #typing = new Map(); // user → until when
  #watch = null;

  constructor(name) {
    this.name = name;
  }

  get isGroup() {
    return !this.name.startsWith('usr');
  }

  get peer() {
    return this.isGroup ? null : this.members.get(this.name);
  }

  get title() {
    return nameOf(this.public, this.name);
  }

  get unread() {
    return this.may('R') ? Math.max(0, this.seq - this.read) : 0;
  }

  get atStart() {
    return this.low === 1;
  }

  // Whether the access mode has a letter. Before we know it, we try.
  may(letter) {
    return this.acs.mode === undefined || this.acs.mode.includes(letter);
  }

  // A description, or a row of a contact list: what is absent has not changed.
  describe(row) {
    for (const key of ['public', 'touched', 'seen', 'subcnt']) {
      if (row[key] !== undefined) {
        this[key] = row[key];
      }
    }
    if (row.acs?.mode !== undefined) {
      this.acs = { ...this.acs, ...row.acs };
    }
    for (const key of ['seq', 'read', 'recv']) {
      this[key] = Math.max(this[key], row[key] ?? 0);
    }
  }

  addMember(row) {
    if (row.deleted) {
      this.members.delete(row.user);
    } else {
      this.members.set(row.user, { ...this.members.get(row.user), online: false, ...row });
    }
  }

  memberName(user) {
    return nameOf(this.members.get(user)?.public ?? (user === this.name ? this.public : null), user);
  }

  // A message came, live or asked for.
  take(data) {
    this.messages.set(data.seq, data);
    this.seq = Math.max(this.seq, data.seq);
    this.#watch?.push(data.seq);
    if (this.current) {
      this.known = Math.max(this.known, data.seq);
    }
    this.#typing.delete(data.from);
  }

  // Collect the numbers of all that comes while `work` goes on.
  async collect(work) {
    const numbers = (this.#watch = []);
    await work;
    this.#watch = null;
    return numbers;
  }

  // Our own message is stored.
  place(item, seq, ts, user) {
    this.pending = this.pending.filter(other => other !== item);
    const { idem, ...head } = item.head;
    this.take({ topic: this.name, from: user, ts, seq, head, content: item.content });
    this.read = Math.max(this.read, seq);
  }

  // Ranges of numbers, `hi` exclusive or absent, are deleted.
  drop(ranges, clear = 0) {
    this.clear = Math.max(this.clear, clear);
    for (const { low = 0, hi } of ranges ?? []) {
      for (const seq of this.messages.keys()) {
        if (seq >= low && seq < (hi || low + 1)) {
          this.messages.delete(seq);
        }
      }
    }
  }

  // Too much was missed to fetch it all: begin again at the end.
  forget() {
    this.messages.clear();
    this.low = this.known = 0;
  }

  // Keep the newest only, so that a window that is open for days does not grow.
  trim(kept) {
    const numbers = [...this.messages.keys()].sort((a, b) => a - b);
    for (const seq of numbers.slice(0, -kept)) {
      this.messages.delete(seq);
      this.low = seq + 1;
    }
  }

  detach() {
    this.attached = this.current = false;
    this.#typing.clear();
    for (const item of this.pending) {
      item.sent = false;
    }
  }

  types(user) {
    this.#typing.set(user, Date.now() + TYPING);
  }

  // Who types now.
  typing() {
    const now = Date.now();
    return [...this.#typing].filter(([, until]) => until > now).map(([user]) => user);
  }

  // How far a message of ours has come: `sent`, `received` or `read` by somebody else.
  reached(seq, me) {
    const others = [...this.members.values()].filter(row => row.user !== me);
    if (others.some(row => row.read >= seq)) {
      return 'read';
    }
    return others.some(row => row.recv >= seq) ? 'received' : 'sent';
  }

  // What is to be shown, in order: each message with the text of its last edit, then what is
  // on its way. An edit is a message of its own, of the same author, that names the other.
  lines() {
    const edits = new Map();
    const sorted = [...this.messages.values()].sort((a, b) => a.seq - b.seq);
    for (const message of sorted) {
      const target = replaced(message.head);
      const original = this.messages.get(target);
      if (original && original.from === message.from && target < message.seq) {
        edits.set(target, message);
      }
    }
    const lines = sorted
      .filter(message => !replaced(message.head))
      .map(message => ({ ...message, edit: edits.get(message.seq) }))
      .map(line => ({ ...line, content: line.edit ? line.edit.content : line.content }));
    for (const item of this.pending) {
      const target = replaced(item.head);
      const line = target && lines.find(({ seq }) => seq === target);
      if (line) {
        Object.assign(line, { content: item.content, item });
      } else {
        lines.push({ ...item, item });
      }
    }
    return lines;
  }

  // A message and all its edits, for who wants to delete it.
  versions(seq) {
    const edits = [...this.messages.values()].filter(message => replaced(message.head) === seq);
    return [seq, ...edits.map(message => message.seq)];
  }
}

// The number in `head.replace`, ":12"; 0 if there is none.
export function replaced(head) {
  const match = /^:(\d+)$/.exec(head?.replace ?? '');
  return match ? Number(match[1]) : 0;
}

// What to call somebody. `public` is whatever a stranger has put there.
export function nameOf(description, fallback) {
  const name = description && typeof description === 'object' ? description.fn : null;
  const text = typeof name === 'string' ? name.trim().slice(0, 80) : '';
  return text || fallback;
}
