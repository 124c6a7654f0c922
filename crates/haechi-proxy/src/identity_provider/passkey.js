// Passkeys on the pages of the identity provider: asks the browser, and sends what it says with a form of the page. Nothing is loaded and nothing is kept.
(() => {
  'use strict';
  const form = document.querySelector('form[data-passkey]');
  if (!form || !window.PublicKeyCredential) return;
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (letter) => letter.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
  const asked = JSON.parse(form.dataset.passkey);
  const known = (all) => all.map((one) => ({ ...one, id: bytes(one.id) }));

  const create = async () => {
    const publicKey = {
      ...asked,
      challenge: bytes(asked.challenge),
      user: { ...asked.user, id: bytes(asked.user.id) },
      excludeCredentials: known(asked.excludeCredentials),
    };
    const { rawId, response } = await navigator.credentials.create({ publicKey });
    return {
      id: text(rawId),
      clientDataJSON: text(response.clientDataJSON),
      authenticatorData: text(response.getAuthenticatorData()),
      publicKey: text(response.getPublicKey()),
      algorithm: response.getPublicKeyAlgorithm(),
    };
  };

  const get = async () => {
    const publicKey = { ...asked, challenge: bytes(asked.challenge), allowCredentials: known(asked.allowCredentials) };
    const { rawId, response } = await navigator.credentials.get({ publicKey });
    return {
      id: text(rawId),
      clientDataJSON: text(response.clientDataJSON),
      authenticatorData: text(response.authenticatorData),
      signature: text(response.signature),
      userHandle: response.userHandle ? text(response.userHandle) : null,
    };
  };

  const start = form.querySelector('[data-start]');
  const failed = form.querySelector('[data-failed]');
  form.hidden = false;
  document.querySelectorAll('[data-without]').forEach((one) => { one.hidden = true; });
  start.addEventListener('click', async () => {
    failed.hidden = true;
    start.disabled = true;
    try {
      form.elements.passkey.value = JSON.stringify(await ('creates' in form.dataset ? create() : get()));
      form.submit();
    } catch {
      failed.hidden = false;
      start.disabled = false;
    }
  });
})();
