// Speaks to a router with the @anthropic-ai/sdk package: node anthropic.mjs URL KEY; prints what came of it as JSON.
import Anthropic from "@anthropic-ai/sdk";

const [baseURL, apiKey] = process.argv.slice(2);
const client = new Anthropic({ baseURL, apiKey, maxRetries: 0 });
const ask = { model: "auto", max_tokens: 200 };
const user = (content) => [{ role: "user", content }];
const input_schema = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tools = [{ name: "weather", description: "Tell the weather", input_schema }];
const text = (message) => message.content.filter((block) => block.type === "text").map((block) => block.text).join("");
const out = {};

const whole = await client.messages.create({ ...ask, messages: user("Say hello") });
out.whole = text(whole);
out.usage = whole.usage;
out.streamed = text(await client.messages.stream({ ...ask, messages: user("Hi") }).finalMessage());

const question = user("How is the weather in Oslo and Bergen?");
const called = await client.messages.stream({ ...ask, messages: question, tools }).finalMessage();
const uses = called.content.filter((block) => block.type === "tool_use");
out.calls = uses.map((use) => use.input.city);
out.stop = called.stop_reason;
const results = uses.map((use) => ({ type: "tool_result", tool_use_id: use.id, content: "7" }));
const turns = [...question, { role: "assistant", content: called.content }, { role: "user", content: results }];
out.summary = text(await client.messages.create({ ...ask, messages: turns, tools }));

const { data, response } = await client.messages
  .create({ ...ask, messages: user("My SSN is 536-22-8726, is it valid?") })
  .withResponse();
out.local = { locality: response.headers.get("x-router-locality"), said: text(data).length > 0 };
out.tokens = (await client.messages.countTokens({ model: "auto", messages: user("Say hello") })).input_tokens;

try {
  await client.messages.create({ ...ask, model: "no-such-model", messages: user("Hi") });
} catch (error) {
  out.error = { name: error.constructor.name, status: error.status, type: error.error.error.type };
}

out.models = (await client.models.list()).data.length;
console.log(JSON.stringify(out));
