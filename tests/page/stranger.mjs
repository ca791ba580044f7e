// Somebody who means harm: names, words and entities that would run as scripts where they are
// taken for HTML or followed as they are. Both functions run in the victim's page.

// A second account writes to the one whose page this is.
export async function attack({ key, victim }) {
  const { Connection, base64 } = await import('/protocol.js');
  const evil = '<img src=x onerror="pwned=1"><script>pwned=1</script>';
  const script = 'javascript:pwned=1';
  const page = `data:text/html;base64,${btoa('<script>top.pwned=1</script>')}`;
  const drawing = btoa('<svg xmlns="http://www.w3.org/2000/svg" onload="top.pwned=1"/>');
  const address = `ws://${location.host}/v0/channels?apikey=${key}`;
  const other = await Connection.open(address, () => {}, () => {});
  await other.ask('hi', { ver: '0.25' });
  const photo = { type: 'svg+xml', data: drawing };
  const secret = base64('mallory:mallory-password');
  const desc = { public: { fn: evil, photo } };
  await other.ask('acc', { user: 'new', scheme: 'basic', secret, login: true, desc });
  await other.ask('sub', { topic: 'fnd' });
  await other.ask('set', { topic: 'fnd', desc: { public: `basic:${victim}` } });
  const { sub: [{ topic }] } = await other.ask('get', { topic: 'fnd', what: 'sub' });
  await other.ask('sub', { topic });
  const entities = [
    ...[script, ` ${script}`, 'JaVaScRiPt:pwned=1', 'java\nscript:pwned=1', page, 'vbscript:x', 'file:///etc/passwd', '//evil.example/', 'blob:x', {}, 7]
      .map(url => ({ tp: 'LN', data: { url } })),
    ...[script, page, 'http://evil.example/x.png', '/v0/file/s/../../x', '/logout', '//evil.example/x.png', `data:image/svg+xml;base64,${drawing}`]
      .map(ref => ({ tp: 'IM', data: { ref, mime: 'image/png', name: evil } })),
    { tp: 'IM', data: { mime: 'image/svg+xml', val: drawing, name: evil } },
    { tp: 'IM', data: { mime: 'text/html', val: drawing } },
    { tp: 'IM', data: { mime: 'image/png;base64,x" onload="pwned=1', val: drawing } },
    { tp: 'IM', data: { mime: 'image/png', val: '" onerror="pwned=1', width: 1e9, height: '"' } },
    { tp: 'EX', data: { mime: 'text/html', name: evil, val: btoa(evil) } },
    { tp: 'BN', data: { act: 'url', ref: script } },
    { tp: 'FM', data: { su: true } },
    { tp: evil, data: {} },
    { tp: '__proto__', data: { constructor: 1 } },
  ];
  const txt = `${evil}${'click me '.repeat(10)}`;
  const contents = [
    evil,
    { txt: evil },
    ...entities.map(entity => ({ txt, fmt: [{ at: 0, len: 8, key: 0 }, { at: -1, len: 1, key: 0 }], ent: [entity] })),
    { txt, fmt: [{ at: 0, len: 5, tp: 'script' }, { at: 0, len: 9, tp: evil }, { at: 0, len: 7, tp: 'constructor' }] },
    { [evil]: evil },
    [evil],
    null,
    12,
    '\u202eevil\u202e \u0007',
  ];
  for (const content of contents) {
    await other.ask('pub', { topic, content, head: { mime: 'text/html', reply: evil, replace: undefined, [evil]: evil } });
  }
  await other.ask('pub', { topic, content: 'the end' });
  other.close();
}

// What harm was done, as a list; and every link and button that was made is tried.
export function harmless() {
  const wrong = [];
  const scheme = address => (/^(data|blob):/.test(address) ? address.slice(0, 14) : new URL(address, location.href).protocol);
  for (const link of document.querySelectorAll('a[href]')) {
    if (!['http:', 'https:', 'mailto:'].includes(scheme(link.getAttribute('href')))) {
      wrong.push(link.outerHTML);
    }
  }
  for (const image of document.images) {
    const address = image.getAttribute('src') ?? '';
    if (address && !/^(data:image\/(png|jpeg|gif|webp);base64,|blob:)/.test(address)) {
      wrong.push(image.outerHTML);
    }
  }
  for (const element of document.querySelectorAll('#lines *, #side *')) {
    for (const { name } of element.attributes) {
      if (name.startsWith('on')) {
        wrong.push(element.outerHTML);
      }
    }
    if (['SCRIPT', 'IFRAME', 'OBJECT', 'EMBED', 'LINK', 'STYLE', 'FORM'].includes(element.tagName) && element.id !== 'search') {
      wrong.push(element.outerHTML);
    }
  }
  for (const button of document.querySelectorAll('#lines .picture, #lines .file')) {
    button.click();
    document.querySelector('dialog')?.close();
  }
  return globalThis.pwned === undefined ? wrong : ['a script has run', ...wrong];
}
