// express with `compression` in front of an API: `node express.mjs PORT TARGET`.
import compression from "compression";
import express from "express";
import { createProxyMiddleware } from "http-proxy-middleware";

const [port, target] = process.argv.slice(2);
const app = express();
app.use(compression());
app.use(createProxyMiddleware({ target }));
app.listen(Number(port), "127.0.0.1");
