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

export const weather = {
  type: 'object',
  properties: {city: {type: 'string', enum: ['Paris', 'Rome']}, days: {type: 'integer', minimum: 1, maximum: 9}},
  required: ['city', 'days'],
  additionalProperties: false,
};
