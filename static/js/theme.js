// Loaded in the head, before anything is painted: applies the remembered theme.
const theme = localStorage.getItem("tenrec-theme");
if (theme) document.documentElement.dataset.theme = theme;
