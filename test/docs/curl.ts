import { parseArgs } from 'node:util';

/** A call that a `curl` command makes. */
export interface Call {
  url: string;
  init: RequestInit;
}

/** Reads a `curl` command, so that it can be made where there is no curl. @throws Error for an option it does not know */
export function toCall(command: string): Call {
  const words = [...command.replaceAll('\\\n', ' ').matchAll(/'([^']*)'|(\S+)/g)].map(
    ([, quoted, plain]) => quoted ?? plain ?? '',
  );
  const { values, positionals } = parseArgs({
    args: words.slice(1),
    allowPositionals: true,
    options: {
      request: { type: 'string', short: 'X', default: 'GET' },
      header: { type: 'string', short: 'H', multiple: true, default: [] },
      data: { type: 'string', short: 'd' },
      'no-buffer': { type: 'boolean', short: 'N' },
    },
  });
  const [url = ''] = positionals;
  const headers = values.header.map((header): [string, string] => {
    const colon = header.indexOf(':');
    return [header.slice(0, colon), header.slice(colon + 1).trim()];
  });
  return {
    url,
    init: { method: values.request, headers, ...(values.data === undefined ? {} : { body: values.data }) },
  };
}
