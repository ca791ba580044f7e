// Packets over a websocket, and nothing else: what they mean is told in session.js and chats.js.
//
// Every packet is an object with one member, its kind: {"pub": {"id": "7", "topic": …}}.
// A request carries an id of ours; the first {ctrl} or {meta} with that id is its answer.
// {data}, {pres} and {info} come unasked.

const PATIENCE = 20_000; // ms for an answer; after that the connection counts as lost
const SILENCE = 25_000; // ms without a word before the server is asked whether it is there
const GRACE = 8_000; // ms for its answer to that

// The server's no. `code` is as in HTTP.
export class Refused extends Error {
  constructor({ code, text, params }) {
    super(`${code} ${text}`);
    this.code = code;
    this.text = text;
    this.params = params ?? {};
  }
}

// The connection ended before an answer came. Whether the request was done is not known.
export class Lost extends Error {}

// One websocket. `onPacket` gets each packet as [kind, body], in order, before the answer to a
// request is given to who asked; `onEnd` is called once.
export class Connection {
  static open(url, onPacket, onEnd) {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url);
      const connection = new Connection(socket, onPacket, onEnd);
      const timer = setTimeout(() => socket.close(), PATIENCE);
      socket.onopen = () => {
        clearTimeout(timer);
        connection.#watch();
        resolve(connection);
      };
      socket.onclose = () => {
        clearTimeout(timer);
        reject(new Lost('no connection'));
        connection.#end();
      };
    });
  }

  #socket;
  #onPacket;
  #onEnd;
  #waiting = new Map(); // id → {resolve, reject, timer}
  #count = 0;
  #heard = Date.now();
  #clock = 0;
  #opened = false;
  #ended = false;

  constructor(socket, onPacket, onEnd) {
    this.#socket = socket;
    this.#onPacket = onPacket;
    this.#onEnd = onEnd;
    socket.onmessage = ({ data }) => this.#take(data);
  }

  // Send a request. Gives the {ctrl} or {meta} that answers it; throws Refused or Lost.
  ask(kind, body, extra) {
    return new Promise((resolve, reject) => {
      const id = String(++this.#count);
      const timer = setTimeout(() => this.close(), PATIENCE);
      this.#waiting.set(id, { resolve, reject, timer });
      const packet = { [kind]: { id, ...body }, ...(extra && { extra }) };
      if (!this.#send(JSON.stringify(packet))) {
        this.#waiting.delete(id);
        clearTimeout(timer);
        reject(new Lost('not connected'));
      }
    });
  }

  // Send a notice, which nobody answers.
  note(body) {
    this.#send(JSON.stringify({ note: body }));
  }

  close() {
    this.#socket.close();
    this.#end();
  }

  #send(text) {
    if (this.#socket.readyState !== WebSocket.OPEN) {
      return false;
    }
    this.#socket.send(text);
    return true;
  }

  #take(text) {
    this.#heard = Date.now();
    if (text === '0' || this.#ended) {
      return; // the answer to our probe
    }
    const [kind, body] = parsed(text);
    if (!body) {
      this.close(); // whoever this is, it is no server of ours
      return;
    }
    this.#onPacket(kind, body);
    const waiting = this.#waiting.get(body.id);
    if (waiting) {
      this.#waiting.delete(body.id);
      clearTimeout(waiting.timer);
      if (kind === 'ctrl' && body.code >= 400) {
        waiting.reject(new Refused(body));
      } else {
        waiting.resolve(body);
      }
    }
  }

  // A connection can be dead without an end: ask now and then.
  #watch() {
    this.#opened = true;
    this.#heard = Date.now();
    this.#clock = setInterval(() => {
      const silence = Date.now() - this.#heard;
      if (silence > SILENCE + GRACE) {
        this.close();
      } else if (silence > SILENCE) {
        this.#send('1');
      }
    }, GRACE);
  }

  #end() {
    if (this.#ended) {
      return;
    }
    this.#ended = true;
    clearInterval(this.#clock);
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new Lost('the connection ended'));
    }
    this.#waiting.clear();
    if (this.#opened) {
      this.#onEnd();
    }
  }
}

// [kind, body] of a packet; an empty list for what is none.
function parsed(text) {
  try {
    const [[kind, body]] = Object.entries(JSON.parse(text));
    return typeof body === 'object' ? [kind, body] : [];
  } catch {
    return [];
  }
}

// Text as the base64 of its UTF-8, which is how secrets travel.
export function base64(text) {
  return btoa(Array.from(new TextEncoder().encode(text), byte => String.fromCharCode(byte)).join(''));
}
