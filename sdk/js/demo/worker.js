// Keeps what the page has fetched, and answers from that where there is no network.

const CACHE = 'skerry-demo-1'

addEventListener('install', () => skipWaiting())
addEventListener('activate', event => event.waitUntil(clients.claim()))

addEventListener('fetch', event => {
    if (event.request.method === 'GET') event.respondWith(answer(event.request))
})

async function answer(request) {
    const cache = await caches.open(CACHE)
    try {
        const response = await fetch(request)
        if (response.ok) await cache.put(request, response.clone())
        return response
    } catch (error) {
        const kept = await cache.match(request)
        if (kept) return kept
        throw error
    }
}
