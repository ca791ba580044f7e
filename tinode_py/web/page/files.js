// Pictures on their way out and in: scaled in the browser, small ones inside the message, larger
// ones as uploads. Where an upload is refused, the picture is scaled until it fits inside.
//
// A picture is always drawn anew before it is sent (but for small GIFs and PNGs), so that what a
// camera wrote into the file, such as the place, stays here.

import { isUpload } from './shown.js';

const SIDE = 1280; // pixels of what is sent
const PREVIEW = 160; // pixels of what stands in a message beside an upload
const SMALL = 32_768; // bytes of a file that is sent as it is
const LARGEST = 40_000_000; // bytes of a file that we try to read
const KEPT = 60; // downloads held in memory

export class Files {
  #server; // {apikey}
  #session;
  #kept = new Map(); // address on the server → address in the browser

  constructor(server, session) {
    this.#server = server;
    this.#session = session;
  }

  // What of a picture goes into a message: {data, attachments}. Throws an Error in words.
  async picture(file) {
    const bitmap = await decoded(file);
    const name = file.name || 'picture';
    const room = Math.floor(0.75 * this.#session.server.maxMessageSize) - 4096;
    const small = file.size <= Math.min(SMALL, room) && /^image\/(png|gif|webp)$/.test(file.type);
    const full = small ? { blob: file, width: bitmap.width, height: bitmap.height } : await scaled(bitmap, SIDE, 0.82);
    if (full.blob.size > room) {
      const sent = await this.#uploaded(full, bitmap, name);
      return sent ?? { data: await inline(await fitted(bitmap, room), name), attachments: [] };
    }
    return { data: await inline(full, name), attachments: [] };
  }

  // As an upload with a small preview; null if the server takes none.
  async #uploaded(full, bitmap, name) {
    try {
      const url = await this.#upload(full.blob, name);
      const preview = await inline(await scaled(bitmap, PREVIEW, 0.6), name);
      const { width, height, blob } = full;
      return { data: { ...preview, width, height, size: blob.size, ref: url }, attachments: [url] };
    } catch {
      return null;
    }
  }

  async #upload(blob, name) {
    const body = new FormData();
    body.append('file', blob, name);
    const answer = await fetch('/v0/file/u/', { method: 'POST', body, headers: this.#headers });
    const { ctrl } = await answer.json();
    if (!answer.ok || !isUpload(ctrl.params?.url)) {
      throw new Error(ctrl.text);
    }
    return ctrl.params.url;
  }

  // The address, within this browser, of an upload.
  async open({ ref }) {
    if (!this.#kept.has(ref)) {
      const answer = await fetch(ref, { headers: this.#headers });
      if (!answer.ok) {
        throw new Error('The file cannot be loaded.');
      }
      this.#kept.set(ref, URL.createObjectURL(await answer.blob()));
      const [oldest] = this.#kept.keys();
      if (this.#kept.size > KEPT) {
        URL.revokeObjectURL(this.#kept.get(oldest));
        this.#kept.delete(oldest);
      }
    }
    return this.#kept.get(ref);
  }

  // Hand a file out: it is saved, never opened here.
  async save({ ref, val }, name) {
    const answer = isUpload(ref) ? await fetch(ref, { headers: this.#headers }) : null;
    const bytes = answer?.ok ? await answer.arrayBuffer() : fromBase64(val);
    const address = URL.createObjectURL(new Blob([bytes], { type: 'application/octet-stream' }));
    const link = document.createElement('a');
    link.href = address;
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  }

  get #headers() {
    return { 'X-Tinode-APIKey': this.#server.apikey, 'X-Tinode-Auth': `Token ${this.#session.token}` };
  }
}

async function decoded(file) {
  if (file.size > LARGEST) {
    throw new Error('This file is too large.');
  }
  try {
    return await createImageBitmap(file);
  } catch {
    throw new Error('This file is no picture that the browser can read.');
  }
}

// Drawn anew, no side longer than `side`, on white where it was transparent.
async function scaled(bitmap, side, quality) {
  const factor = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(bitmap.width * factor));
  canvas.height = Math.max(1, Math.round(bitmap.height * factor));
  const context = canvas.getContext('2d');
  context.fillStyle = 'white';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise(resolve => canvas.toBlob(resolve, 'image/jpeg', quality));
  return { blob, width: canvas.width, height: canvas.height };
}

async function fitted(bitmap, room) {
  for (let side = SIDE; side > 40; side = Math.floor(side * 0.75)) {
    const made = await scaled(bitmap, side, 0.7);
    if (made.blob.size <= room) {
      return made;
    }
  }
  throw new Error('This picture cannot be made small enough.');
}

function inline({ blob, width, height }, name) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onerror = () => reject(new Error('This file cannot be read.'));
    reader.onload = () => {
      const val = reader.result.slice(reader.result.indexOf(',') + 1);
      resolve({ mime: blob.type, name, width, height, size: blob.size, val });
    };
    reader.readAsDataURL(blob);
  });
}

function fromBase64(text) {
  try {
    return Uint8Array.from(atob(String(text)), letter => letter.charCodeAt(0));
  } catch {
    throw new Error('This file is damaged.');
  }
}
