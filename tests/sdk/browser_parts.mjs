// What the SDK's files need of a browser, on Node's own fetch: requests that send forms, a page
// with links that save what they point to.

import { resolveObjectURL } from 'node:buffer';

export const saved = []; // { name, blob } for each link that was clicked

export function requestsTo(host) {
  return class {
    upload = {};
    readyState = 0;
    #headers = {};
    #abort = new AbortController();

    open(method, url) {
      this.method = method;
      this.url = new URL(url, `http://${host}`);
      this.readyState = 1;
    }

    setRequestHeader(name, value) {
      this.#headers[name] = value;
    }

    async send(body) {
      try {
        const { method } = this;
        const signal = this.#abort.signal;
        const answer = await fetch(this.url, { method, body, headers: this.#headers, signal });
        Object.assign(this, { status: answer.status, statusText: answer.statusText });
        this.response = this.responseType === 'blob' ? await answer.blob() : await answer.text();
        this.readyState = 4;
        this.upload.onprogress?.({ lengthComputable: true, loaded: 1, total: 1 });
        this.onload();
      } catch (error) {
        (this.#abort.signal.aborted ? this.onabort : this.onerror)?.call(this, error);
      }
    }

    abort() {
      this.#abort.abort();
    }
  };
}

export function pretendToBeAPage(host) {
  const nowhere = { appendChild() {}, removeChild() {} };
  globalThis.window = { URL, location: { origin: `http://${host}` } };
  globalThis.document = {
    body: nowhere,
    createElement: () => ({
      style: {},
      setAttribute(name, value) {
        this[name] = value;
      },
      click() {
        saved.push({ name: this.download, blob: resolveObjectURL(this.href) });
      },
    }),
  };
  globalThis.FileReader = class {
    async readAsText(blob) {
      this.result = await blob.text();
      this.onload();
    }
  };
}
