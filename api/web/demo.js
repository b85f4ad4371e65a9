// What shows why Midstream exists: prompts to begin with, and buttons that break something.

const PARAMETERS = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const CLOCK = { name: "current_time", description: "Says what time it is in a city.", parameters: PARAMETERS };
const TOOLS = [{ type: "function", function: CLOCK }];

/** Returns the tools that an answer was offered, so that it can be asked for again. */
export const toolsOf = (turn) => (turn.parts.some((part) => part.name === CLOCK.name) ? TOOLS : undefined);

/** `send(text, tools)` sends what a button among the prompts says. */
export const offer = (prompts, send) => prompts.addEventListener("click", ({ target: { dataset } }) => {
  if (dataset.prompt) send(dataset.prompt, dataset.prompt.includes("tool") ? TOOLS : undefined);
});

/** The buttons are of use where `midstream up` runs with the simulator alone: the server answers 404 elsewhere. */
export const breakBy = (buttons, client, failed) => buttons.addEventListener("click", ({ target: { dataset } }) => {
  if (dataset.strike) client.json("POST", `/demo/${dataset.strike}`, null, { tries: 1 }).catch(failed);
});
