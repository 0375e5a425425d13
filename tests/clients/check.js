// The little that the client tests need of a test framework.
import assert from 'node:assert/strict';

export const question = 'What is 4821 + 377? Put the answer in \\boxed{}.';
export const sum = '5198';

let failed = 0, passed = 0;

export async function test(name, body) {
  try {
    await body();
    ++passed;
    console.log(`ok      ${name}`);
  } catch (error) {
    ++failed;
    console.log(`FAILED  ${name}\n${error.stack ?? error}`);
  }
}

export function summary() {
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0;
}

export async function rejects(promise, check) {
  try {
    await promise;
  } catch (error) {
    return check(error);
  }
  assert.fail('no error came');
}

// How much of an answer is in one piece of a stream is up to the machine: a busy one may send it all at once. So one of
// many streams has to come in pieces. `pieces` asks for a stream and gives the pieces of the text that it checked.
export async function oneInPieces(pieces) {
  for (let i = 0; i < 30; ++i) {
    if ((await pieces()).filter(piece => piece.length > 0).length > 1) return;
  }
  assert.fail('30 streams came in one piece each');
}

export const weather = {
  type: 'object',
  properties: {city: {type: 'string', enum: ['Paris', 'Rome']}, days: {type: 'integer', minimum: 1, maximum: 9}},
  required: ['city', 'days'],
  additionalProperties: false,
};
