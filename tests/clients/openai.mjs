// Speaks to a router with the openai package: node openai.mjs URL KEY; prints what came of it as JSON.
import OpenAI from "openai";

const [baseURL, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const user = (content) => [{ role: "user", content }];
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tools = [{ type: "function", function: { name: "weather", parameters } }];
const out = {};

const whole = await client.chat.completions.create({ model: "auto", messages: user("Say hello") });
out.whole = whole.choices[0].message.content;
out.usage = whole.usage;

out.streamed = "";
for await (const chunk of await client.chat.completions.create({ model: "auto", messages: user("Hi"), stream: true })) {
  out.streamed += chunk.choices[0]?.delta?.content ?? "";
}

const question = user("How is the weather in Oslo and Bergen?");
const runner = client.chat.completions.stream({ model: "auto", messages: question, tools });
const called = (await runner.finalChatCompletion()).choices[0].message;
out.calls = called.tool_calls.map((call) => JSON.parse(call.function.arguments).city);
const results = called.tool_calls.map((call) => ({ role: "tool", tool_call_id: call.id, content: "7" }));
const rest = await client.chat.completions.create({ model: "auto", messages: [...question, called, ...results], tools });
out.summary = rest.choices[0].message.content;

const { data, response } = await client.chat.completions
  .create({ model: "auto", messages: user("My SSN is 536-22-8726, is it valid?") })
  .withResponse();
out.local = { locality: response.headers.get("x-router-locality"), said: data.choices[0].message.content.length > 0 };

try {
  await client.chat.completions.create({ model: "no-such-model", messages: user("Hi") });
} catch (error) {
  out.error = { name: error.constructor.name, status: error.status, code: error.code };
}

out.models = (await client.models.list()).data.length;
console.log(JSON.stringify(out));
