// A figure over time, as SVG.

import { h } from './dom.js';

const SVG = 'http://www.w3.org/2000/svg';
const KEPT = 150; // points

// A tile with a figure and its course: `add(value)` once for each step of time.
export class Plot {
  #values = [];
  #name;
  #figure = h('p', { class: 'figure' }, '–');
  #line = path('');
  #area = path('area');
  #svg = document.createElementNS(SVG, 'svg');

  constructor(name) {
    this.#name = name;
    this.#svg.setAttribute('class', 'plot');
    this.#svg.setAttribute('viewBox', `0 0 ${KEPT - 1} 100`);
    this.#svg.setAttribute('preserveAspectRatio', 'none');
    this.#svg.setAttribute('role', 'img');
    this.#svg.append(this.#area, this.#line);
    this.element = h('section', { class: 'tile' }, h('h3', {}, name), this.#figure, this.#svg);
  }

  add(value) {
    this.#values.push(value);
    this.#values.splice(0, this.#values.length - KEPT);
    const most = Math.max(...this.#values);
    const start = KEPT - this.#values.length;
    const points = this.#values.map((value, i) => `${start + i} ${95 - (90 * value) / Math.max(1, most)}`);
    this.#figure.textContent = value.toLocaleString();
    this.#line.setAttribute('d', `M${points.join('L')}`);
    this.#area.setAttribute('d', `M${start} 100L${points.join('L')}L${KEPT - 1} 100Z`);
    this.#svg.setAttribute('aria-label', `${this.#name}: now ${value}, at most ${most}`);
  }
}

function path(kind) {
  const element = document.createElementNS(SVG, 'path');
  element.setAttribute('class', kind);
  return element;
}
