// What goes over the wire, for throng.js: addresses, names, positions, payloads, answers and close codes, and what of them is none.

export const PROTOCOL = "throng.v1";
// The code of errors of what the server must not have said.
export const PROTOCOL_ERROR = "protocol";
// RFC 6455 section 5.5.1: what a control frame holds beside the close code.
const LONGEST_REASON = 123;
// In bytes of UTF-8, of throng.v1.
const LONGEST_NAME = 255;
export const A_TOPIC = `a topic, which is a well-formed string of at most ${LONGEST_NAME} bytes`;
// What each request is answered with, if not with an error.
const ANSWERS = { subscribe: "subscribed", unsubscribe: "unsubscribed", publish: "published", ping: "pong" };

// Close codes that say that it would end in the same way again: a normal end, the peers do not understand each other (RFC 6455
// section 7.4.1), the registered 3000 (unauthorized) and 3003 (forbidden), and those that applications give a meaning to.
export function isFinal(code) {
    return [1000, 1002, 1003, 1007, 1010, 3000, 3003].includes(code) || (code >= 4000 && code <= 4999);
}

// As much of the reason as a Close has room for, in whole characters.
export function reasonFor(reason) {
    const { read } = new TextEncoder().encodeInto(reason, new Uint8Array(LONGEST_REASON));
    return reason.slice(0, read);
}

// The URL for a WebSocket: relative ones are the page's, and http means ws.
export function addressOf(url) {
    const address = new URL(url, globalThis.location?.href);
    address.protocol = address.protocol.replace(/^http/, "ws");
    if (!/^wss?:$/.test(address.protocol)) {
        throw new SyntaxError(`${address} is no address of a WebSocket: it begins with ws: or wss:`);
    }
    if (address.pathname.startsWith("/topics/") || address.searchParams.has("topic")) {
        throw new SyntaxError(`${address} names topics: name them with subscribe()`);
    }
    address.hash = "";
    return address.href;
}

// What the server has answered; what is no answer to that request is an error.
export function answerOf(request, message) {
    const rightly = message.type === ANSWERS[request] && (["ping", "unsubscribe"].includes(request) || isPosition(message));
    if (rightly || message.type === "error") {
        return message;
    }
    const said = JSON.stringify(message).slice(0, 200);
    return { type: "error", code: PROTOCOL_ERROR, message: `the server has answered ${request} with what is no answer to it: ${said}` };
}

export function isOffset(value) {
    return Number.isSafeInteger(value) && value >= 0;
}

export function isPosition({ offset, epoch }) {
    return isOffset(offset) && isName(epoch);
}

// The server takes no half of a character (a surrogate without the other), which strings may have.
export function isWellFormed(text) {
    return text.isWellFormed?.() ?? !/\p{Surrogate}/u.test(text);
}

// Longer ones would end the connection, each time again, or be refused.
export function isName(value) {
    return typeof value === "string" && isWellFormed(value) && bytesOf(value) <= LONGEST_NAME;
}

export function bytesOf(text) {
    return new TextEncoder().encode(text).length;
}

// Text or bytes, or nothing if it is neither.
export function payloadOf({ data, base64 }) {
    if (base64 === undefined) {
        return typeof data === "string" ? data : undefined;
    }
    try {
        return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    } catch {
        return undefined;
    }
}

export function toBase64(bytes) {
    let characters = "";
    // In parts, since arguments are limited in number.
    for (let at = 0; at < bytes.length; at += 8192) {
        characters += String.fromCharCode(...bytes.subarray(at, at + 8192));
    }
    return btoa(characters);
}
