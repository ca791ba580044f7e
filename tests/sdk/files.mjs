// People send files: node files.mjs HOST:PORT
//
// Writes one line of JSON per step, {"step": …} or {"step": …, "failed": …}, and ends at the
// first failure.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';

import { WebSocket } from 'ws';

import { pretendToBeAPage, requestsTo, saved } from './browser_parts.mjs';
import { Drafty, Person, Tinode } from './people.mjs';
import { play } from './steps.mjs';

const host = process.argv[2];
Tinode.setNetworkProviders(WebSocket, requestsTo(host));
pretendToBeAPage(host);

const alice = new Person('alice', host);
const bob = new Person('bobby', host);
const BYTES = randomBytes(1_000_000);
const file = new File([BYTES], 'tea & cake.bin', { type: 'application/x-cake' });
let url;

const steps = {
  async 'a picture before there is an account'() {
    await alice.tinode.connect();
    const helper = alice.tinode.getLargeFileHelper();
    const face = await helper.upload(new File(['face'], 'face.png'), 'newacc');
    assert.match(face, /^\/v0\/file\/s\//);
    await assert.rejects(helper.upload(file), { code: 401, message: /authentication required/ });
    const about = { public: { fn: 'Alice', photo: { ref: face } }, attachments: [face] };
    await alice.tinode.createAccountBasic('alice', 'alice-password', about);
    await alice.openMe();
  },

  async 'upload'() {
    await bob.register('Bob');
    await bob.openMe();
    const told = [];
    const helper = alice.tinode.getLargeFileHelper();
    url = await helper.upload(file, null, part => told.push(part), ctrl => told.push(ctrl));
    const [progress, ctrl] = told;
    assert.equal(progress, 1);
    assert.equal(ctrl.params.url, url);
    assert.ok(ctrl.params.expires > new Date());
  },

  async 'in a message'() {
    await alice.open(bob.id);
    await bob.open(alice.id);
    const shown = { mime: file.type, filename: file.name, refurl: url, size: file.size };
    const draft = Drafty.attachFile(Drafty.init('Here'), shown);
    const seq = await alice.say(bob.id, draft);
    const heard = await bob.hears(alice.id, seq);
    const [found] = Drafty.hasAttachments(heard.content) ? heard.content.ent : [];
    assert.equal(found.data.ref, url);
  },

  async 'download'() {
    const helper = bob.tinode.getLargeFileHelper();
    await helper.download(url, 'cake.bin', file.type);
    const [{ name, blob }] = saved;
    assert.equal(name, 'cake.bin');
    assert.deepEqual(Buffer.from(await blob.arrayBuffer()), BYTES);
  },

  async 'shown by its address alone'() {
    const answer = await fetch(`http://${host}${bob.tinode.authorizeURL(url)}`);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('content-type'), file.type);
  },

  async 'what is refused'() {
    const helper = bob.tinode.getLargeFileHelper();
    const nowhere = '/v0/file/s/AAAAAAAAAAA.bin';
    await assert.rejects(helper.download(nowhere, 'x', file.type), { code: 404 });
    const limit = bob.tinode.getServerParam('maxFileUploadSize');
    assert.equal(limit, 2_000_000);
    await assert.rejects(helper.upload(new File([Buffer.alloc(limit)], 'x')), { code: 413 });
  },
};

await play(steps);
