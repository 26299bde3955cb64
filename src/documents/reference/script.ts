/**
 * The search of the reference: hides what does not have all the words. `/` goes to it, Enter to the first match, Escape
 * shows everything again. Without the script the page is complete and has no search.
 */
export const script = `
const search = document.querySelector('.search');
const found = document.querySelector('.found');
const entries = [...document.querySelectorAll('[data-entry]')].map((element) => ({
  element,
  link: document.querySelector('.side a[href="#' + CSS.escape(element.id) + '"]')?.closest('li'),
  text: element.textContent.toLowerCase(),
}));
const hasVisible = (part, selector) => part.querySelector(selector + ':not([hidden])') !== null;
function show() {
  const words = search.value.toLowerCase().split(/\\s+/).filter((word) => word !== '');
  let count = 0;
  for (const { element, link, text } of entries) {
    const isFound = words.every((word) => text.includes(word));
    element.hidden = !isFound;
    if (link) link.hidden = !isFound;
    if (isFound) count += 1;
  }
  for (const section of document.querySelectorAll('main section')) section.hidden = !hasVisible(section, '[data-entry]');
  for (const group of document.querySelectorAll('.side details')) {
    group.hidden = !hasVisible(group, 'li');
    if (words.length > 0) group.open = true;
  }
  found.textContent = words.length === 0 ? '' : count === 1 ? '1 match' : count + ' matches';
}
search.hidden = false;
// On a phone the list of contents would hide the page.
if (matchMedia('(max-width: 48rem)').matches)
  for (const group of document.querySelectorAll('.side details')) group.open = false;
search.addEventListener('input', show);
search.addEventListener('keydown', (event) => {
  const first = entries.find(({ element }) => !element.hidden);
  if (event.key === 'Enter' && first) location.hash = first.element.id;
});
function showAll() { search.value = ''; show(); }
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') showAll();
  const isTyping = /^(?:INPUT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key !== '/' || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  search.focus();
  search.select();
});
// A link may lead to what the search has hidden.
function reveal(hash) {
  const target = document.getElementById(decodeURIComponent(hash.slice(1)));
  if (target?.closest('[hidden]')) { showAll(); target.scrollIntoView(); }
}
addEventListener('hashchange', () => reveal(location.hash));
document.addEventListener('click', (event) => {
  const link = event.target.closest('a[href^="#"]');
  if (link) reveal(link.hash);
});
`;
