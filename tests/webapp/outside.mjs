// What the page asks of other hosts: served here from npm packages, so that no test needs them.

import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const find = createRequire(import.meta.url).resolve;

// A file of a package, wherever npm put it.
function file(name, path) {
  return join(dirname(find(`${name}/package.json`)), path);
}

const ICONS = `
@font-face { font-family: 'Material Icons'; src: url(https://fonts.gstatic.com/icons.woff2); }
.material-icons {
  font: normal 24px/1 'Material Icons'; display: inline-block; white-space: nowrap;
  letter-spacing: normal; text-transform: none; font-feature-settings: 'liga';
}`;
const ROBOTO = `
@font-face { font-family: Roboto; src: url(https://fonts.gstatic.com/roboto.woff2); }`;

const SCRIPT = 'text/javascript';
const ANSWERS = [
  [/\/npm\/react@/, SCRIPT, { path: file('react', 'umd/react.production.min.js') }],
  [/\/npm\/react-dom@/, SCRIPT, { path: file('react-dom', 'umd/react-dom.production.min.js') }],
  [/\/npm\/react-intl@/, SCRIPT, { path: file('react-intl', 'react-intl.iife.js') }],
  [/\/npm\/qrcodejs@/, SCRIPT, { path: file('qrcodejs', 'qrcode.min.js') }],
  [/polyfill/, SCRIPT, { body: '' }],
  [/family=Material\+Icons/, 'text/css', { body: ICONS }],
  [/family=Roboto/, 'text/css', { body: ROBOTO }],
  [/icons\.woff2$/, 'font/woff2', { path: file('material-icons', 'iconfont/material-icons.woff2') }],
  [
    /roboto\.woff2$/,
    'font/woff2',
    { path: file('@fontsource/roboto', 'files/roboto-latin-400-normal.woff2') },
  ],
];

// From now on nothing that this browser context asks for leaves the machine. Returns the
// addresses that nobody here has an answer for.
export async function stayInside(context, host) {
  const unknown = [];
  await context.route(
    url => url.host !== host && url.protocol.startsWith('http'),
    async route => {
      const url = route.request().url();
      const [, contentType, what] = ANSWERS.find(([pattern]) => pattern.test(url)) ?? [];
      if (!what) {
        unknown.push(url);
        return route.abort();
      }
      const headers = { 'access-control-allow-origin': '*' };
      return route.fulfill({ contentType, headers, ...what });
    },
  );
  return unknown;
}
