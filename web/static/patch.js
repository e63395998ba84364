// RFC 7396. The target is changed in place, so that what did not change keeps its identity.
export function merge(target, patch) {
  if (!isObject(patch)) return patch;
  if (!isObject(target)) target = {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete target[name];
    else target[name] = merge(target[name], value);
  }
  return target;
}

const isObject = (v) => v !== null && typeof v === "object" && !Array.isArray(v);
