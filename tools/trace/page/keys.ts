/** The script of the page: keys go through the steps, and the list shows where one is. The page works without it. */
export const KEYS = `
const steps = [...document.querySelectorAll('section')];
const here = () => Math.max(0, steps.findIndex((step) => '#' + step.id === location.hash));
const moves = { ArrowLeft: () => here() - 1, ArrowRight: () => here() + 1, Home: () => 0, End: () => steps.length - 1 };
const mark = () => {
  for (const link of document.querySelectorAll('nav a')) {
    const isHere = link.hash === '#' + (steps[here()] || {}).id;
    link.toggleAttribute('aria-current', isHere);
    if (isHere) link.scrollIntoView({ block: 'nearest' });
  }
};
addEventListener('hashchange', mark);
addEventListener('keydown', (event) => {
  const move = moves[event.key];
  if (!move || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const to = steps[Math.min(Math.max(move(), 0), steps.length - 1)];
  if (!to) return;
  event.preventDefault();
  location.hash = to.id;
});
mark();
`;
